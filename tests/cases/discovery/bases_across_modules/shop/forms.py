class Form:
    pass


class LoginForm(Form):
    pass
