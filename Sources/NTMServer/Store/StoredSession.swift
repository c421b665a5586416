import NTMModel

/// What a store says of a session beside its state.
struct SessionRecord: Equatable, Sendable {
  /// Counts sessions in the order in which they were made.
  let number: Int
  let id: String
  let modelName: String
  /// `Model.digest()` of its model.
  let modelDigest: String
  let createdAt: Timestamp
  /// Seconds without use after which it ends; nil for never.
  let keepAlive: Double?
  /// The name that it has as a sequence of the Open Inference Protocol.
  var sequence: String?
  /// Steps taken.
  var step = 0
  var lastActivity: Timestamp
  /// The first step that was taken again by another arithmetic than the first time.
  var recomputedFrom: Int?
  /// Why it can't be used any more.
  var damage: String?
}

/// A state at a step, from which the steps after it are taken again.
struct StoredBase: Equatable, Sendable {
  let step: Int
  /// The state as a `StateFile`; nil for the model's start state.
  let state: [UInt8]?
  /// `Model.arithmetic` of the steps after it.
  let arithmetic: String
  /// What the session kept for a client that asks again.
  let reply: RepeatableReply?
  let recomputedFrom: Int?
}

/// Steps in a row that were taken after a base.
struct StoredSteps: Equatable, Sendable {
  /// The number of the first.
  let first: Int
  /// x of each of them.
  var inputs: [[Float]]
  /// What is needed to write the reply to the last of them again; nil where it is not kept.
  var request: RequestMark?

  /// The number of the last.
  var last: Int { first + (inputs.count - 1) }
}

/// The request that the last steps came with, if it may be repeated: with its steps taken again, its
/// reply can be written again.
struct RequestMark: Equatable, Sendable {
  /// The number of the first of its steps.
  let firstStep: Int
  let isList: Bool
  let fields: StepFields
  let form: MediaType
}

/// What a session's state is made of.
struct StoredContent: Equatable, Sendable {
  let base: StoredBase
  /// In order, without a gap, from the base on.
  let steps: [StoredSteps]
}

/// What is to be written of one session, after what was written of it before.
struct StoredChange: Sendable {
  let session: Int
  /// A session that the store does not have.
  var created: SessionRecord?
  /// Takes the place of the base and of all steps.
  var base: StoredBase?
  /// After the base, and after all steps that are written already.
  var steps: StoredSteps?
  var lastActivity: Timestamp
  var replies: [KeyedReply] = []
  /// There is no such session any more.
  var isEnded = false
}

/// The reply to a request that came with an `Idempotency-Key`.
struct KeyedReply: Sendable {
  /// `KeyID.text`, or a key as sent if `age` is nil.
  let key: String
  /// Of the request.
  let fingerprint: Fingerprint
  /// Which part of the request it answers; nil for the whole of it.
  var part: Int?
  /// `forgotten` if it is not kept any more.
  var response: HTTPResponse
  /// The changes that the request, or this part of it, made.
  var applied: AppliedSteps?
  /// When the request arrived, by `IdempotencyStore.age`; nil if a version without scopes wrote it.
  var age: Int64?

  /// Stands for a reply that is not kept any more.
  static let forgotten = HTTPResponse(status: 0)

  /// `age` within the range that arithmetic allows. Replies without age are older than all others.
  var order: Int64 { max(0, min(age ?? 0, 1 << 50)) }

  var isUnscoped: Bool { age == nil }
  var id: KeyID {
    (isUnscoped ? nil : KeyID(text: key)) ?? KeyID(unscoped: key)
  }
}
