add_site_builtins()
posix.closerange(4, 256)
serve()
