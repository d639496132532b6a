package querytest

import (
	"math/rand/v2"
	"strings"
)

// Language makes posts and queries of synthetic words whose frequencies are
// those of a language: Zipf's law over a hundred thousand words.
type Language struct {
	rng   *rand.Rand
	zipf  *rand.Zipf
	words []string
}

// NewLanguage returns a language that always says the same.
func NewLanguage() *Language {
	rng := rand.New(rand.NewPCG(1, 2))
	l := &Language{rng: rng, zipf: rand.NewZipf(rng, 1.1, 1, 99_999)}
	const letters = "etaoinshrdlcumwfgypbvk"
	for rank := range 100_000 {
		word := []byte{}
		for n := rank + 23; n > 0; n /= len(letters) {
			word = append(word, letters[n%len(letters)])
		}
		l.words = append(l.words, string(word)+letters[rank%7:rank%7+rank%4])
	}
	return l
}

// Post is a text of about 280 bytes.
func (l *Language) Post() string {
	var b strings.Builder
	for b.Len() < 275 {
		b.WriteString(l.words[l.zipf.Uint64()])
		b.WriteByte(' ')
	}
	return b.String()
}

func (l *Language) selective() string { return l.words[100+l.rng.IntN(49_900)] }

func (l *Language) common() string {
	for {
		if rank := l.zipf.Uint64(); rank >= 50 {
			return l.words[rank]
		}
	}
}

// Query is one word (40 %), two (30 %) or three (10 %) required, a phrase (10 %),
// one without another (5 %) or either of two (5 %). selective draws words evenly
// from the ranks 100 to 50,000; else they come as often as posts have them, but
// for the first fifty.
func (l *Language) Query(selective bool) string {
	word := l.common
	if selective {
		word = l.selective
	}
	switch n := l.rng.IntN(100); {
	case n < 40:
		return word()
	case n < 70:
		return word() + " " + word()
	case n < 80:
		return `"` + word() + " " + word() + `"`
	case n < 90:
		return word() + " " + word() + " " + word()
	case n < 95:
		return word() + " -" + word()
	default:
		return word() + " | " + word()
	}
}

// Word is the word of a rank; 0 is the most frequent.
func (l *Language) Word(rank int) string { return l.words[rank] }
