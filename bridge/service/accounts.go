package service

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"peewit/bridge"
)

// inviteLife is how long an unused invitation is good for.
const inviteLife = 7 * 24 * time.Hour

// removedAtOnce is how many nodes go in one change: with the account and its
// tracks they are fewer than the 1,000 records that the log takes together.
const removedAtOnce = 800

// Accounts are the people with a nickname here.
type Accounts struct{ *core }

// AccountOptions are what an account can be made with.
type AccountOptions struct {
	Password string       // "" = nobody can log in
	Owners   []bridge.JID // bare JIDs elsewhere with every right of the account
	Admin    bool
}

// JID is the address of a nickname.
func (a *Accounts) JID(nick string) bridge.JID {
	return bridge.JID(nick + "@" + string(a.opts.Domain))
}

// Create makes an account with its microblog node, in one step. A nickname in
// use is a [bridge.Conflict]; so is an owner who owns another account.
func (a *Accounts) Create(ctx context.Context, nick string, o AccountOptions) (bridge.Account, error) {
	return a.create(ctx, nick, o, func() ([]bridge.Record, error) { return nil, nil })
}

// Register makes an account for a stranger as far as registration is open to
// strangers; invite is the token that registration by invite asks for. A
// nickname that somebody had before is a [bridge.Conflict] too: others' rosters,
// roles and subscriptions still mean that person. Only Create gives it away again.
func (a *Accounts) Register(ctx context.Context, nick, password, invite string) error {
	if password == "" {
		return bridge.Refuse(bridge.NotAcceptable, "a password is needed") // XEP-0077 §3.1.1
	}
	_, err := a.create(ctx, nick, AccountOptions{Password: password}, func() ([]bridge.Record, error) {
		var used []bridge.Record
		switch a.opts.Registration {
		case "open":
		case "invite":
			inv, ok := a.reg.Invite(invite)
			if !ok || time.Now().After(inv.Expires) {
				return nil, bridge.Refuse(bridge.NotAllowed, "an invitation is needed to register here")
			}
			inv.Removed = true
			used = []bridge.Record{{Invite: &inv}}
		default:
			return nil, bridge.Refuse(bridge.NotAllowed, "registration is closed here")
		}
		if a.reg.StateSeq(&bridge.Record{Account: &bridge.Account{Nick: nick}}) > 0 {
			return nil, taken(nick)
		}
		return used, nil
	})
	return err
}

// Registration says who may register: "open", "invite" or "closed".
func (a *Accounts) Registration() string { return a.opts.Registration }

// create makes an account that admit lets in; what admit returns is changed with
// it.
func (a *Accounts) create(ctx context.Context, nick string, o AccountOptions, admit func() ([]bridge.Record, error)) (bridge.Account, error) {
	if err := bridge.CheckNick(nick, a.opts.Bot); err != nil {
		return bridge.Account{}, err
	}
	if _, err := admit(); err != nil { // before a stranger costs us the hashing of a password
		return bridge.Account{}, err
	}
	now := time.Now().UTC()
	account := bridge.Account{Nick: nick, Owners: o.Owners, Admin: o.Admin, Created: now}
	records := []bridge.Record{{Account: &account}}
	if o.Password != "" {
		credential, err := bridge.NewCredential(nick, o.Password)
		if err != nil {
			return bridge.Account{}, err
		}
		records = append(records, bridge.Record{Credential: &credential})
	}
	home := newNode(bridge.Addr{Service: a.JID(nick), Name: bridge.NodeMicroblog}, a.JID(nick), bridge.MicroblogConfig())
	home.Created = now
	records = append(records, bridge.Record{Node: &home})
	err := a.change(ctx, func() ([]bridge.Draft, error) {
		if _, known := a.reg.Account(nick); known {
			return nil, taken(nick)
		}
		for _, owner := range o.Owners {
			if owner.Domain() == a.opts.Domain { // whoever took that nickname would own this account as well
				return nil, bridge.Refuse(bridge.NotAcceptable, "%s is an address of ours; owners are elsewhere", owner)
			}
			if other, known := a.reg.AccountOf(owner); known {
				return nil, bridge.Refuse(bridge.Conflict, "%s owns the account %s already", owner, other.Nick)
			}
		}
		more, err := admit()
		if err != nil {
			return nil, err
		}
		return a.guardAll(slices.Concat(records, more)), nil
	})
	return account, err
}

func taken(nick string) error {
	return bridge.Refuse(bridge.Conflict, "the nickname %s is taken", nick)
}

func (c *core) guardAll(records []bridge.Record) []bridge.Draft {
	drafts := make([]bridge.Draft, len(records))
	for i, rec := range records {
		drafts[i] = c.guarded(rec)
	}
	return drafts
}

// SetPassword replaces the password of an account; the log forgets the old keys.
func (a *Accounts) SetPassword(ctx context.Context, nick, password string) error {
	credential, err := bridge.NewCredential(nick, password)
	if err != nil {
		return err
	}
	return a.change(ctx, func() ([]bridge.Draft, error) {
		if _, ok := a.reg.Account(nick); !ok {
			return nil, noAccount(nick)
		}
		return []bridge.Draft{a.guarded(bridge.Record{Credential: &credential})}, nil
	})
}

// Remove takes the account away with its nodes, also those it made on the domain,
// its tracks, roster, password and the tokens of its remote listeners. What does
// not fit into one change of the log goes before: whoever is interrupted then
// finds the account there and can remove it again.
func (a *Accounts) Remove(ctx context.Context, nick string) error {
	listeners := &Listeners{a.core}
	for _, l := range listeners.List(nick) {
		if err := listeners.Remove(ctx, l); err != nil {
			return err
		}
	}
	for len(a.nodesOf(nick)) > removedAtOnce {
		err := a.change(ctx, func() ([]bridge.Draft, error) {
			nodes := a.nodesOf(nick)
			return a.guardAll(removal(nodes[:min(removedAtOnce, len(nodes))])), nil
		})
		if err != nil {
			return err
		}
	}
	return a.change(ctx, func() ([]bridge.Draft, error) {
		account, ok := a.reg.Account(nick)
		if !ok {
			return nil, noAccount(nick)
		}
		account.Removed = true
		records := append(removal(a.nodesOf(nick)),
			bridge.Record{Account: &account},
			bridge.Record{Credential: &bridge.Credential{Nick: nick, Removed: true}})
		for _, t := range a.reg.Tracks() {
			if t.Owner == nick {
				t.Removed = true
				records = append(records, bridge.Record{Track: &t})
			}
		}
		return a.guardAll(records), nil
	})
}

// nodesOf is the nodes that go with an account: its own, and those that it or a
// track of it has on the domain.
func (a *Accounts) nodesOf(nick string) []bridge.Node {
	jid := a.JID(nick)
	onDomain := slices.DeleteFunc(a.reg.Nodes(a.opts.Domain), func(n bridge.Node) bool { return n.Owner != jid })
	return append(onDomain, a.reg.Nodes(jid)...)
}

func removal(nodes []bridge.Node) []bridge.Record {
	records := make([]bridge.Record, len(nodes))
	for i, n := range nodes {
		n.Removed = true
		records[i] = bridge.Record{Node: &n}
	}
	return records
}

// List is all accounts, by nickname.
func (a *Accounts) List() []bridge.Account { return a.reg.Accounts() }

// Invite makes an invitation for one account.
func (a *Accounts) Invite(ctx context.Context) (bridge.Invite, error) {
	invite := bridge.Invite{Token: rand.Text(), Expires: time.Now().Add(inviteLife).UTC()}
	_, err := a.commit(ctx, bridge.Draft{Record: bridge.Record{Invite: &invite}})
	return invite, err
}

// Credential is what proves the account's password; false when nobody can log
// in to it.
func (a *Accounts) Credential(nick string) (bridge.Credential, bool) { return a.reg.Credential(nick) }

// Verify reports whether password is the account's.
func (a *Accounts) Verify(nick, password string) bool {
	credential, _ := a.reg.Credential(nick)
	return credential.Verify(password) // as slow for nobody as for somebody
}

func noAccount(nick string) error {
	return bridge.Refuse(bridge.ItemNotFound, "there is no account %s", nick)
}
