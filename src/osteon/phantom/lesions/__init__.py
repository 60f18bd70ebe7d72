"""Changes of the marrow: lesions and what is mistaken for them."""
