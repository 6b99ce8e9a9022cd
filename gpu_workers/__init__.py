"""What runs on a GPU machine: the only home of torch and transformers, beside the training of the sample teacher."""
