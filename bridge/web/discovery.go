package web

import (
	"encoding/json"
	"fmt"
	"html"
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
	w.Header().Set("Content-Type", "application/xrd+xml")
	w.Header().Set("Access-Control-Allow-Origin", "*") // XEP-0156 §3: web clients elsewhere read it
	fmt.Fprintf(w, `<?xml version="1.0" encoding="utf-8"?>
<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">
  <Link rel="%s" href="%s"/>
</XRD>
`, relWebSocket, html.EscapeString(s.webSocketURL()))
}

func (s *site) hostMetaJSON(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	json.NewEncoder(w).Encode(map[string]any{
		"links": []map[string]string{{"rel": relWebSocket, "href": s.webSocketURL()}},
	})
}
