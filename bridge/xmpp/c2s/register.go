package c2s

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

// registerStranger answers an IQ of XEP-0077 from a client that is not logged
// in.
func (s *session) registerStranger(ctx context.Context, e *xmpp.Element) []byte {
	st := &xmpp.Stanza{Element: e, Kind: "iq", ID: e.Attribute("id"), Type: e.Attribute("type")}
	query := e.Child(nsRegister, "query")
	var payload []byte
	err := s.mayRegister(e)
	switch {
	case err != nil:
	case st.Type == "get":
		payload = registrationForm(s.server.options.Accounts.Registration())
	case st.Type == "set":
		err = s.makeAccount(ctx, readRegistration(query))
	default:
		err = bridge.Refuse(bridge.BadRequest, "ask by get, register by set")
	}
	if err != nil {
		return xmpp.ErrorReply(&xmpp.Stanza{Element: e, Kind: "iq", ID: st.ID}, err)
	}
	return xmpp.ResultReply(st, payload)
}

func (s *session) mayRegister(e *xmpp.Element) error {
	if to := e.Attribute("to"); to != "" {
		if jid, err := bridge.ParseJID(to); err != nil || jid != s.server.options.Domain {
			return bridge.Refuse(bridge.ItemNotFound, "register with %s", s.server.options.Domain)
		}
	}
	if s.server.options.Accounts.Registration() == "closed" {
		return bridge.Refuse(bridge.ServiceUnavailable, "registration is closed here") // XEP-0077 §3.1
	}
	return nil
}

// makeAccount registers. One connection makes one account, and a network only a
// few in an hour (XEP-0077 §3.1.1).
func (s *session) makeAccount(ctx context.Context, r registration) error {
	switch {
	case r.remove:
		return bridge.Refuse(bridge.UnexpectedRequest, "log in to remove an account") // XEP-0077 §3.2
	case r.username == "" || r.password == "":
		return bridge.Refuse(bridge.NotAcceptable, "a username and a password are needed") // XEP-0077 §3.1
	case s.registered:
		return bridge.Refuse(bridge.NotAcceptable, "you have registered an account already")
	}
	jid, err := bridge.ParseJID(r.username + "@" + string(s.server.options.Domain))
	if err != nil || !jid.IsBare() || jid.Domain() != s.server.options.Domain {
		return bridge.Refuse(bridge.NotAcceptable, "this cannot be a username")
	}
	if !s.server.registrations.take(s.from) {
		return bridge.Refuse(bridge.ResourceConstraint, "too many accounts were made from your address; try again later")
	}
	if err := s.server.options.Accounts.Register(ctx, jid.Local(), r.password, r.token); err != nil {
		return err
	}
	s.registered = true
	s.log(ctx, slog.LevelInfo, "account registered", slog.String("account", jid.Local()), slog.String("remote", s.from.ip.String()))
	return nil
}

// registerUser answers an IQ of XEP-0077 from a client that is logged in. gone
// says that there is no account any more.
func (s *session) registerUser(ctx context.Context, st *xmpp.Stanza) (payload []byte, gone bool, err error) {
	accounts := s.server.options.Accounts
	r := readRegistration(st.Child(nsRegister, "query"))
	switch {
	case s.Anonymous():
		return nil, false, bridge.Refuse(bridge.Forbidden, "you have no account here")
	case st.Type == "get": // XEP-0077 §3.1
		return fmt.Appendf(nil, "<query xmlns='%s'><registered/><username>%s</username><password/></query>", nsRegister, s.who.nick), false, nil
	case r.remove && !r.alone: // XEP-0077 §3.2
		return nil, false, bridge.Refuse(bridge.BadRequest, "<remove/> stands alone")
	case r.remove:
		err := accounts.Remove(ctx, s.who.nick)
		return nil, err == nil, err
	case r.password == "" || r.username == "": // XEP-0077 §3.3
		return nil, false, bridge.Refuse(bridge.BadRequest, "a username and a password are needed")
	}
	jid, err := bridge.ParseJID(r.username + "@" + string(s.server.options.Domain))
	if err != nil || jid != s.jid.Bare() {
		return nil, false, bridge.Refuse(bridge.NotAllowed, "this is not your account") // XEP-0077 §3.3
	}
	return nil, false, accounts.SetPassword(ctx, s.who.nick, r.password)
}

// registration is what a set of XEP-0077 says, by fields of its own or by form.
type registration struct {
	username, password, token string
	remove, alone             bool
}

func readRegistration(query *xmpp.Element) registration {
	text := func(name string) string {
		if c := query.Child(nsRegister, name); c != nil {
			return c.Text
		}
		return ""
	}
	r := registration{
		username: text("username"), password: text("password"), token: text("key"),
		remove: query.Child(nsRegister, "remove") != nil, alone: len(query.Children) == 1,
	}
	form := query.Child(nsForm, "x")
	if form == nil {
		return r
	}
	for _, field := range form.Children { // XEP-0077 §4
		value := field.Child(nsForm, "value")
		if value == nil {
			continue
		}
		switch field.Attribute("var") {
		case "username":
			r.username = value.Text
		case "password":
			r.password = value.Text
		case "token":
			r.token = strings.TrimSpace(value.Text)
		}
	}
	return r
}

// registrationForm is what a stranger has to fill in. The token of an invitation
// has no field of its own in XEP-0077: it is in the form, and <key/> for clients
// that show no forms.
func registrationForm(how string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<query xmlns='%s'><instructions>", nsRegister)
	if how != "invite" {
		b.WriteString("Choose a username of letters a to z and digits, and a password.</instructions><username/><password/></query>")
		return b.Bytes()
	}
	b.WriteString("Choose a username of letters a to z and digits and a password, and enter the token of your invitation.</instructions>" +
		"<username/><password/><key/>" +
		"<x xmlns='" + nsForm + "' type='form'><title>Registration by invitation</title>" +
		"<field type='hidden' var='FORM_TYPE'><value>" + nsRegister + "</value></field>" +
		"<field type='text-single' var='username' label='Username'><required/></field>" +
		"<field type='text-private' var='password' label='Password'><required/></field>" +
		"<field type='text-single' var='token' label='Token of the invitation'><required/></field></x></query>")
	return b.Bytes()
}
