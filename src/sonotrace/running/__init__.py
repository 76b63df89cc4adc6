"""What any run needs: outputs written whole or not at all, reuse of earlier results, threads, progress."""
