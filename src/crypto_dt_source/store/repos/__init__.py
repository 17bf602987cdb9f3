"""Every query there is, one file a resource. Functions that take the open store first; ids are text, times ms UTC.

All of them raise StoreError when the database fails; writes return once they are durable.
"""
