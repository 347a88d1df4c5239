// ts-mls as a peer of the interop matrix: JSON lines on stdin and stdout, as
// wire.go of the folder above describes them.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import {
  createApplicationMessage, createCommit, createGroup, createProposal, decodeGroupState, decodeMlsMessage,
  defaultExtensionTypes, encodeGroupState, encodeMlsMessage, generateKeyPackageWithKey, joinGroup, joinGroupExternal,
  makePskIndex, mlsExporter, processMessage, zeroOutUint8Array,
} from "ts-mls";
import { defaultClientConfig } from "ts-mls/clientConfig.js";
import { encode } from "ts-mls/codec/tlsEncoder.js";
import { decodeVarLenData, varLenDataEncoder } from "ts-mls/codec/variableLength.js";
import { createGroupInfoWithRatchetTree } from "ts-mls/createCommit.js";
import { signLeafNodeCommit } from "ts-mls/leafNode.js";
import { leafToNodeIndex } from "ts-mls/treemath.js";
import { cipherSuite } from "./suites.mjs";

const viewLabel = "primum interop";
const manifest = new URL("node_modules/ts-mls/package.json", import.meta.url);
const version = `${JSON.parse(readFileSync(manifest)).version} on Node.js ${process.versions.node}`;

const bytes = (s) => new Uint8Array(Buffer.from(s ?? "", "base64"));
const text = (b) => Buffer.from(b).toString("base64");
const wipe = (list) => list.forEach(zeroOutUint8Array);

const wrap = (wireformat, field, value) => encodeMlsMessage({ version: "mls10", wireformat, [field]: value });

function unwrap(b, wireformat) {
  const read = decodeMlsMessage(b, 0);
  if (read === undefined || read[1] !== b.length) throw new Error("malformed MLSMessage");
  if (wireformat !== undefined && read[0].wireformat !== wireformat) throw new Error(`not a ${wireformat}`);
  return read[0];
}

const typeName = (type) => Object.entries(defaultExtensionTypes).find(([, n]) => n === type)?.[0] ?? type;
const extensionOf = (x) => ({ extensionType: typeName(x.type), extensionData: bytes(x.data) });
const withLength = (key) => encode(varLenDataEncoder)(key);
const withoutLength = (data) => decodeVarLenData(data, 0)[0];
const isExternalPub = (info, key) =>
  info.extensions.some((x) => x.extensionType === "external_pub" && x.extensionData === key);

// Member is a client and, once created or joined, its group.
class Member {
  static async open(suite, identity) {
    const m = new Member();
    m.cs = await cipherSuite(suite);
    m.suite = suite;
    m.identity = identity;
    m.keys = await m.cs.signature.keygen();
    m.psks = {};
    m.updates = []; // own Update proposals of this epoch, with their keys
    return m;
  }

  async keyPackage(q = {}) {
    const now = BigInt(Math.floor(Date.now() / 1000));
    const capabilities = {
      versions: ["mls10"], ciphersuites: [this.cs.name], extensions: q.understands ?? [], proposals: [],
      credentials: ["basic"],
    };
    this.kp = await generateKeyPackageWithKey(
      { credentialType: "basic", identity: this.identity }, capabilities,
      { notBefore: now - 3600n, notAfter: now + 86400n }, [], this.keys, this.cs);
    return { message: text(wrap("mls_key_package", "keyPackage", this.kp.publicPackage)) };
  }

  async create(q) {
    await this.keyPackage();
    const extensions = (q.extensions ?? []).map(extensionOf);
    this.state = await createGroup(bytes(q.group), this.kp.publicPackage, this.kp.privatePackage, extensions, this.cs);
    return {};
  }

  async join(q) {
    const { welcome } = unwrap(bytes(q.message), "mls_welcome");
    this.state = await joinGroup(welcome, this.kp.publicPackage, this.kp.privatePackage, this.findPSK(undefined), this.cs);
    this.updates = [];
    return {};
  }

  psk(q) {
    this.psks[text(bytes(q.context))] = bytes(q.data);
    return {};
  }

  findPSK(state) {
    return makePskIndex(state, this.psks);
  }

  // external joins by a commit of its own. ts-mls takes the content of the
  // extension external_pub for the key, without the length before it.
  async external(q) {
    const { groupInfo } = unwrap(bytes(q.message), "mls_group_info");
    await this.keyPackage();
    const importPublicKey = (key) => this.cs.hpke.importPublicKey(isExternalPub(groupInfo, key) ? withoutLength(key) : key);
    const cs = { ...this.cs, hpke: { ...this.cs.hpke, importPublicKey } };
    const result = await joinGroupExternal(groupInfo, this.kp.publicPackage, this.kp.privatePackage, false, cs);
    this.state = result.newState;
    this.updates = [];
    return { message: text(wrap("mls_public_message", "publicMessage", result.publicMessage)) };
  }

  // take enters a state and erases what the call before it used up.
  take(result) {
    const epoch = this.state.groupContext.epoch;
    this.state = result.newState;
    wipe(result.consumed);
    if (this.state.groupContext.epoch !== epoch) this.updates = [];
  }

  addOf(message) {
    const { keyPackage } = unwrap(message, "mls_key_package");
    return { proposalType: "add", add: { keyPackage } };
  }

  async propose(q) {
    let proposal;
    if (q.kind === "add") proposal = this.addOf(bytes(q.message));
    else if (q.kind === "remove") proposal = { proposalType: "remove", remove: { removed: q.leaf ?? 0 } };
    else if (q.kind === "psk") proposal = this.pskOf(bytes(q.context));
    else proposal = await this.update();
    const result = await createProposal(this.state, !q.private, proposal, this.cs);
    this.take(result);
    return { message: text(encodeMlsMessage(result.message)) };
  }

  pskOf(pskId) {
    const pskNonce = this.cs.rng.randomBytes(this.cs.kdf.size);
    return { proposalType: "psk", psk: { preSharedKeyId: { psktype: "external", pskId, pskNonce } } };
  }

  // update makes an Update proposal. ts-mls can encode, check and apply one and
  // has no call to make one, nor a place for its private key: see process.
  async update() {
    const leafIndex = this.state.privatePath.leafIndex;
    const { leaf } = this.state.ratchetTree[leafToNodeIndex(leafIndex)];
    const pair = await this.cs.hpke.generateKeyPair();
    const hpkePublicKey = await this.cs.hpke.exportPublicKey(pair.publicKey);
    const leafNode = await signLeafNodeCommit({
      hpkePublicKey, signaturePublicKey: leaf.signaturePublicKey, credential: leaf.credential,
      capabilities: leaf.capabilities, extensions: leaf.extensions, leafNodeSource: "update",
      groupId: this.state.groupContext.groupId, leafIndex,
    }, this.state.signaturePrivateKey, this.cs.signature);
    this.updates.push({ publicKey: hpkePublicKey, privateKey: await this.cs.hpke.exportPrivateKey(pair.privateKey) });
    return { proposalType: "update", update: { leafNode } };
  }

  async commit(q) {
    const extraProposals = [
      ...(q.remove ?? []).map((removed) => ({ proposalType: "remove", remove: { removed } })),
      ...(q.add ?? []).map((kp) => this.addOf(bytes(kp))),
    ];
    if (q.extensions) {
      extraProposals.push({
        proposalType: "group_context_extensions", groupContextExtensions: { extensions: q.extensions.map(extensionOf) },
      });
    }
    const result = await createCommit({ state: this.state, cipherSuite: this.cs, pskIndex: this.findPSK(this.state) }, {
      wireAsPublicMessage: !q.private, extraProposals, ratchetTreeExtension: true, authenticatedData: bytes(q.aad),
    });
    this.take(result);
    const reply = { message: text(encodeMlsMessage(result.commit)) };
    if (result.welcome) reply.welcome = text(wrap("mls_welcome", "welcome", result.welcome));
    return reply;
  }

  async process(q) {
    const message = unwrap(bytes(q.message));
    const result = await processMessage(message, this.withOwnUpdate(), this.findPSK(this.state), this.accept, this.cs);
    this.take(result);
    if (result.kind !== "applicationMessage") return { kind: "handshake" };
    return { kind: "application", data: text(result.message), aad: text(message.privateMessage.authenticatedData) };
  }

  // withOwnUpdate is a copy of the state whose own leaf key accept may exchange
  // when a commit takes in an Update of this member.
  withOwnUpdate() {
    const privatePath = { ...this.state.privatePath, privateKeys: { ...this.state.privatePath.privateKeys } };
    const ours = new Map(this.updates.map((u) => [text(u.publicKey), u.privateKey]));
    this.accept = (incoming) => {
      const proposals = incoming.kind === "commit" ? incoming.proposals : [];
      for (const { proposal } of proposals) {
        const key = proposal.proposalType === "update" && ours.get(text(proposal.update.leafNode.hpkePublicKey));
        if (key) privatePath.privateKeys[leafToNodeIndex(privatePath.leafIndex)] = key;
      }
      return "accept";
    };
    return { ...this.state, privatePath };
  }

  async seal(q) {
    const result = await createApplicationMessage(this.state, bytes(q.data), this.cs, bytes(q.aad));
    this.take(result);
    return { message: text(wrap("mls_private_message", "privateMessage", result.privateMessage)) };
  }

  async export(q) {
    const secret = this.state.keySchedule.exporterSecret;
    return { data: text(await mlsExporter(secret, q.label, bytes(q.context), q.length, this.cs)) };
  }

  // groupinfo is what createGroupInfoWithExternalPubAndRatchetTree makes, but
  // for the length before the external key (RFC 9420 §12.4.3.2).
  async groupinfo() {
    const s = this.state;
    const { publicKey } = await this.cs.hpke.deriveKeyPair(s.keySchedule.externalSecret);
    const extensionData = withLength(await this.cs.hpke.exportPublicKey(publicKey));
    const extensions = [{ extensionType: "external_pub", extensionData }];
    const info = await createGroupInfoWithRatchetTree(
      s.groupContext, s.confirmationTag, s, s.ratchetTree, extensions, this.cs);
    return { message: text(wrap("mls_group_info", "groupInfo", info)) };
  }

  async view() {
    const s = this.state;
    if (s === undefined) return undefined;
    if (s.groupActiveState.kind === "removedFromGroup") return { evicted: true };
    const exported = await this.export({ label: viewLabel, length: 32 });
    return {
      leaf: s.privatePath.leafIndex, epoch: Number(s.groupContext.epoch),
      members: s.ratchetTree.filter((n) => n?.nodeType === "leaf").length,
      tree_hash: text(s.groupContext.treeHash), transcript: text(s.groupContext.confirmedTranscriptHash),
      authenticator: text(s.keySchedule.epochAuthenticator), exporter: exported.data,
    };
  }

  save() {
    const state = {
      suite: this.suite, identity: text(this.identity), keys: [text(this.keys.signKey), text(this.keys.publicKey)],
      group: text(encodeGroupState(this.state)), psks: Object.entries(this.psks).map(([id, key]) => [id, text(key)]),
      updates: this.updates.map((u) => [text(u.publicKey), text(u.privateKey)]),
    };
    return { state: text(Buffer.from(JSON.stringify(state))) };
  }

  static async restore(stored) {
    const saved = JSON.parse(Buffer.from(stored, "base64").toString());
    const m = new Member();
    m.cs = await cipherSuite(saved.suite);
    m.suite = saved.suite;
    m.identity = bytes(saved.identity);
    m.keys = { signKey: bytes(saved.keys[0]), publicKey: bytes(saved.keys[1]) };
    m.psks = Object.fromEntries(saved.psks.map(([id, key]) => [id, bytes(key)]));
    m.updates = saved.updates.map(([publicKey, privateKey]) => (
      { publicKey: bytes(publicKey), privateKey: bytes(privateKey) }));
    const read = decodeGroupState(bytes(saved.group), 0);
    if (read === undefined) throw new Error("ts-mls can't read its own state");
    m.state = { ...read[0], clientConfig: defaultClientConfig };
    return m;
  }
}

const operations = {
  keypackage: "keyPackage", create: "create", join: "join", propose: "propose", commit: "commit",
  external: "external", psk: "psk", process: "process", seal: "seal", export: "export", groupinfo: "groupinfo",
};
const members = new Map();

async function answer(q) {
  if (q.op === "hello") return { version };
  if (q.op === "new") members.set(q.member, await Member.open(q.suite, bytes(q.identity)));
  if (q.op === "restore") members.set(q.member, await Member.restore(q.state));
  const m = members.get(q.member);
  if (m === undefined) throw new Error("no such member in this process");
  if (q.op === "save") {
    members.delete(q.member);
    return m.save();
  }
  let reply = {};
  if (q.op in operations) reply = await m[operations[q.op]](q);
  else if (!["new", "restore", "view"].includes(q.op)) throw new Error(`operation ${q.op} is not known`);
  return { ...reply, view: await m.view() };
}

for await (const line of createInterface({ input: process.stdin })) {
  const q = JSON.parse(line);
  let reply;
  try {
    reply = await answer(q);
  } catch (e) {
    reply = { error: `${e.name}: ${e.message}` };
  }
  process.stdout.write(JSON.stringify({ id: q.id, ...reply }) + "\n");
}
