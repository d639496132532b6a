// Package microblog says what a post looks like as a pubsub item (XEP-0277,
// XEP-0472): which elements an entry needs before it is shown to subscribers,
// where an item can be found ([URI]), what it says in plain text ([Plain]) and
// which tags and people it names.
//
// [Fill] is the one place where something is added to what a publisher sent: it
// appends what is absent and changes nothing. Whatever is no Atom entry passes
// untouched.
package microblog
