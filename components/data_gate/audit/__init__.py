"""The data audit: is what the model would learn from sound?"""
