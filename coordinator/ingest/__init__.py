"""From files of problems and chains of thought to the dataset `problems`."""
