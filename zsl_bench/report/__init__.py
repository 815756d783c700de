"""What is made of results to be read: tables, pages, a leaderboard."""
