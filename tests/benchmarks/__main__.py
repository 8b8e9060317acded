"""``python -m tests.benchmarks``: what ``scripts/bench`` runs."""

from tests.benchmarks.run import main

if __name__ == "__main__":  # the other client of `delivery` imports this module anew
    main()
