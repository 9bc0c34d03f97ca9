"""An app that workers have besides: exporters and a storage with places to lie in wait at."""
