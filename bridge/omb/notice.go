package omb

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"

	"peewit/bridge"
	"peewit/bridge/microblog"
)

// notice is the form of a postNotice, unsigned.
func (r *Relay) notice(nick string, id uint64, post bridge.Post) url.Values {
	page := r.svc.BaseURL() + "notice/" + strconv.FormatUint(id, 10)
	text := microblog.Plain(post)
	if text == "" {
		text = page // a picture, perhaps; 0.7 and 0.8 break off without content
	}
	form := url.Values{
		"omb_version":  {Version},
		"omb_listenee": {r.svc.BaseURL() + nick},
		// Laconica links to omb_notice itself and throws omb_notice_url away.
		"omb_notice":         {page},
		"omb_notice_url":     {page},
		"omb_notice_content": {Shorten(text, page)},
		"omb_notice_license": {r.license},
	}
	for _, l := range post.Links {
		if l.Rel == "enclosure" && plainURL.MatchString(l.Href) {
			form.Set("omb_seealso", l.Href)
			if plainType.MatchString(l.Type) {
				form.Set("omb_seealso_mediatype", l.Type)
			}
			break
		}
	}
	return form
}

// StatusNet 0.9 throws the whole notice away if it does not like what is only
// said beside it. These are the URLs that its PEAR Validate::uri takes when it is
// strict, and the types that libomb takes.
var (
	plainURL = regexp.MustCompile(`(?i)^https?://` +
		`(([a-z0-9-]+\.)*[a-z][a-z0-9-]*|\d+\.\d+\.\d+\.\d+)(:\d{1,5})?` +
		`(/[-a-z0-9_.!~*'():@&=+$,;%/]*)?(\?[-a-z0-9_.!~*'()&=+%]*)?$`)
	plainType = regexp.MustCompile(`(?i)^(application|audio|image|message|model|text|video)/[a-z0-9.+-]+$`)
)

// moveQuery moves the parameters of an endpoint's URL into the form: Laconica
// 0.6 finds its action only there, later ones in either place. Of several of one
// name the last counts, as for PHP, which reads them.
func moveQuery(endpoint string, form url.Values) (string, url.Values, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", nil, fmt.Errorf("parse endpoint: %w", err)
	}
	moved := url.Values{}
	for _, from := range []url.Values{u.Query(), form} {
		for key, values := range from {
			moved.Set(key, values[len(values)-1])
		}
	}
	u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = "", false, "", ""
	return u.String(), moved, nil
}
