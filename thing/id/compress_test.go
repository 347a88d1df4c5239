package id

import "testing"

func TestCompressedKeysReadBack(t *testing.T) {
	t.Parallel()
	for _, link := range []string{
		"/01/09506000134352/22/V1/10/ABC/21/12345?17=290331&3103=000195",
		"/00/340123453111111115",
		"/253/9521321123458invoice-7/", "/253/9521321123458",
		"/255/95213211234580012", "/414/9521321000018/254/a%2Fb%2B",
		"/8003/09521321123458serial", "/8004/9521321abc", "/8010/9521321AB-%23/8011/12345",
		"/8017/952132100000000007/8019/12", "/8006/095060001343520102/21/007",
		"/417/9521321000018/7040/1ABC",
	} {
		path, query := cut(link)
		k, err := ParseDigitalLink(path, query, Options{})
		if err != nil {
			t.Errorf("%s: %v", link, err)
			continue
		}
		back, err := ParseLink("/"+k.Compressed(), "", Options{})
		if err != nil || !back.Equal(k) || !back.Compressed {
			t.Errorf("%s compressed to %s is %v, %v", link, k.Compressed(), back.Key, err)
		}
	}
}

func cut(link string) (path, query string) {
	for i := range len(link) {
		if link[i] == '?' {
			return link[:i], link[i+1:]
		}
	}
	return link, ""
}
