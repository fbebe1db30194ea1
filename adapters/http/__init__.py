"""HTTP to whatever has an address: one attempt that ends on time, and nothing that the other side can make longer."""
