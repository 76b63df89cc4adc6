"""The models: the nets, how they are trained, what their files hold, and how they are used."""
