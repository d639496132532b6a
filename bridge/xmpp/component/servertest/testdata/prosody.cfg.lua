-- A private Prosody for one test. The text/template fields come from servertest.
daemonize = false
run_as_root = true
pidfile = "{{.Dir}}/prosody.pid"
data_path = "{{.Dir}}/data"
certificates = "{{.Dir}}"
log = { warn = "{{.Dir}}/server.log" }
gc = { mode = "generational" }

interfaces = { "127.0.0.1" }
c2s_ports = { {{.C2S}} }
component_ports = { {{.Component}} }
component_interfaces = { "127.0.0.1" }
s2s_ports = {}
https_ports = {}
http_ports = { {{.HTTP}} }
http_interfaces = { "127.0.0.1" }
http_default_host = "{{.Domain}}"

modules_enabled = { "disco", "roster", "saslauth", "pep", "ping", "offline", "register", "posix", "websocket" }
modules_disabled = { "s2s", "limits", "tls" }
allow_registration = true
c2s_require_encryption = false
consider_websocket_secure = true
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
storage = "internal"
component_stanza_size_limit = {{.StanzaLimit}}

VirtualHost "{{.Domain}}"

Component "pubsub.{{.Domain}}" "pubsub"
	admins = { "admin@{{.Domain}}" } -- 0.12: only admins create nodes

Component "{{.ComponentDomain}}"
	component_secret = "{{.Secret}}"
	component_conflict_resolve = "kick_old"
