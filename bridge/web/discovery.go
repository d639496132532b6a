package web

import (
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"strings"
)

// relWebSocket is the link relation by which clients find the WebSocket
// (XEP-0156 §2.2).
const relWebSocket = "urn:xmpp:alt-connections:websocket"

// webSocketURL is base_url with the scheme of a WebSocket.
func (s *site) webSocketURL() string {
	return "ws" + strings.TrimPrefix(s.svc.BaseURL(), "http") + "xmpp-websocket"
}

// hostMeta is RFC 6415's document with the link of XEP-0156 §2.2.
func (s *site) hostMeta(w http.ResponseWriter, _ *http.Request) {
	s.announce(w, "application/xrd+xml", fmt.Appendf(nil, `<?xml version="1.0" encoding="utf-8"?>
<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">
  <Link rel="%s" href="%s"/>
</XRD>
`, relWebSocket, html.EscapeString(s.webSocketURL())))
}

func (s *site) hostMetaJSON(w http.ResponseWriter, r *http.Request) {
	document, err := json.Marshal(map[string]any{
		"links": []map[string]string{{"rel": relWebSocket, "href": s.webSocketURL()}},
	})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.announce(w, "application/json", document)
}

// announce writes a document that clients on other sites read too.
func (s *site) announce(w http.ResponseWriter, mediaType string, document []byte) {
	w.Header().Set("Access-Control-Allow-Origin", "*") // XEP-0156 §3
	w.Header().Set("Content-Type", mediaType)
	if _, err := w.Write(document); err != nil {
		s.logger.Debug("write host-meta", slog.Any("err", err))
	}
}
