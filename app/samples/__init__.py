"""示例图: the page of the reference images and its API."""
