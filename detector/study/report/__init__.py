"""What a learned metric does to labelled records, as figures and pictures in one file."""
