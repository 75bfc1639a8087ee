"""What is normal: running mean and covariance, one row of a pool for each key."""
