"""The receiver of 1C's webhooks: verify, store, answer. What an event leads to is done by whoever works the queue off."""
