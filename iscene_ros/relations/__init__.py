"""What stands on, in, beside and before what: the relation graph of a completed scene."""
