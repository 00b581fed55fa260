"""The desk's work: features, durable operations and the ways to Azure. No Streamlit here."""
