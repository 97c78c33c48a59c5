"""HL7 v2 messages about patients, over MLLP."""
