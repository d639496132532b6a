// Package feed reads feeds as they are: Atom 0.3 and 1.0, RSS 0.9x, 1.0 and
// 2.0, and JSON Feed become [bridge.Post]s under a [bridge.Feed].
//
// gofeed does the reading; three things are done around it. Before it, a feed is
// repaired (see repair.go): its characters become UTF-8 that XML allows, what is
// open is closed, markup that cannot be read is stepped over, relative addresses
// are resolved, so that one bad byte or a broken end costs one entry at most and
// never the feed. Beside it, what gofeed would forget or change is kept: ids
// byte for byte, and whether a text is text or markup. After it, everything a
// stranger wrote is made safe: titles become plain text, contents are sanitised
// and written twice, as HTML and as one well-formed XHTML <div/>.
//
// What a feed does not say stays unknown: a post without a date has the zero
// time. A post always has an id, the best there is ([bridge.Post].ID).
package feed
