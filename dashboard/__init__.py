"""The screen on which people see, decide and take back; Streamlit, on the reader's side."""
