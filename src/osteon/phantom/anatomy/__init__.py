"""Who the patient is and what the body is made of: bones, organs, random fields; no scanner."""
