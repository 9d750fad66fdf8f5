//! SQL over views and streams: DataFusion over the index, behind the feature `sql`.
