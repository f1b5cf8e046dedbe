add_site_builtins()
serve()
