"""HTTP to any address: one attempt that ends on time, and that the other side cannot make longer."""
