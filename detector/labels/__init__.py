"""What operators say of records: how it enters the verdict."""
