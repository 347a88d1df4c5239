// Cipher suites for ts-mls: its own suite 1, and the hybrid suite of
// draft-ietf-mls-pq-ciphersuites, which it does not have, composed of its
// parts. X-Wing is that of @hpke/hybridkem-x-wing, on the npm package mlkem.
import { Aes128Gcm, CipherSuite, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";
import { shake256 } from "@noble/hashes/sha3.js";
import { getCiphersuiteFromName, getCiphersuiteImpl } from "ts-mls";
import { makeAead } from "ts-mls/crypto/implementation/default/makeAead.js";
import { makeGenericHpke } from "ts-mls/crypto/implementation/hpke.js";

const classical = 1;

// The KEM's DeriveKeyPair follows X-Wing before HPKE took it up: SHAKE256 of the
// input. draft-ietf-hpke-pq, which the cipher suite names, labels it.
class HybridKem extends XWing {
  deriveKeyPair(ikm) {
    const label = new TextEncoder().encode("DeriveKeyPair");
    const length = 32;
    const sk = shake256.create({ dkLen: length })
      .update(new Uint8Array(ikm))
      .update(new TextEncoder().encode("HPKE-v1"))
      .update(new TextEncoder().encode("KEM"))
      .update(Uint8Array.of(0x64, 0x7a))
      .update(Uint8Array.of(0, label.length)).update(label)
      .update(Uint8Array.of(0, length))
      .digest();
    return this.generateKeyPairDerand(sk);
  }
}

// cipherSuite is the suite of a code point. Every code point but 1 is taken for
// the hybrid's, which is a private one until the draft has its own.
export async function cipherSuite(id) {
  const impl = await getCiphersuiteImpl(getCiphersuiteFromName("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"));
  if (id === classical) return impl;
  const [aead] = await makeAead("AES128GCM");
  const hpke = new CipherSuite({ kem: new HybridKem(), kdf: new HkdfSha256(), aead: new Aes128Gcm() });
  const algorithm = { kem: "X-Wing", kdf: "HKDF-SHA256", aead: "AES128GCM" };
  return { ...impl, hpke: await makeGenericHpke(algorithm, aead, hpke), name: String(id) };
}
