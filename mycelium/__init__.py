"""The shared heart of Mycelium: chunks in an object store, and pure functions over them.

No torch and no cloud lives here, but for one lazy door: `mycelium.store` imports boto3 when an ``s3://`` store is
opened.
"""
