package c2s

import "bytes"

// mask is a piece of the wire as it may be logged: where it could hold a secret
// (SASL, registration) only the tags are left. A namespace can be spelt with
// character references, so whatever has one counts as secret.
func mask(piece []byte) string {
	secret := bytes.Contains(piece, []byte(nsSASL)) || bytes.Contains(piece, []byte(nsRegister)) || bytes.Contains(piece, []byte("&#"))
	if !secret || bytes.HasPrefix(piece, []byte("<stream:features")) {
		return string(piece)
	}
	var b bytes.Buffer
	for len(piece) > 0 {
		tag := bytes.IndexByte(piece, '<')
		if tag != 0 {
			b.WriteString("***")
		}
		if tag < 0 {
			break
		}
		end := bytes.IndexByte(piece[tag:], '>')
		if end < 0 {
			end = len(piece) - tag - 1
		}
		b.Write(piece[tag : tag+end+1])
		piece = piece[tag+end+1:]
	}
	return b.String()
}
