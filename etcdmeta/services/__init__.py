"""What goes on by itself: copying as a node sees it, and the services of the cluster."""
