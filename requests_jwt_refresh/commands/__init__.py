"""What the commands of ``requests-jwt`` do, a file for each group of them."""
