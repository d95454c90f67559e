//! What-if questions answered by HypoPG on a live session.
