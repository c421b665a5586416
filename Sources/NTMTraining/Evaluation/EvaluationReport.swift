public import NTMModel

/// What a model reaches on a task: at training lengths and beyond them.
public struct EvaluationReport: Encodable, Sendable {
  public let task: String
  /// What `Evaluation.bySize` is by, such as "length".
  public let sizeName: String
  public let loss: Loss
  /// Of the sequences that were drawn.
  public let seed: UInt64
  public let sets: [(name: String, evaluation: Evaluation)]
  /// Whether its JSON has the figures for each size too.
  var hasSizes = true

  /// Mixed into the seed, so that the sequences are never those of training or validation.
  private static let salt: UInt64 = 0x4556_414c_5541_5445

  /// Measures a model on freshly drawn sequences.
  ///
  /// - Parameters:
  ///   - sequences: how many of each kind; the task's choice where nil
  ///   - threads: at most so many; their number does not change the result
  /// - Throws: `TrainingError` where the task's sizes are not the model's; `AllocationError`.
  public init(
    _ model: Model, _ task: any TrainingTask, seed: UInt64 = 1, sequences: Int? = nil, threads: Int
  ) throws {
    self.task = type(of: task).name
    sizeName = type(of: task).sizeName
    let loss = Loss(model.configuration.dialect.output)
    self.loss = loss
    self.seed = seed
    var generator = RandomGenerator(seed: seed ^ Self.salt)
    sets = try ([task.atTrainingLengths] + task.beyond).map { set in
      var set = set
      if let sequences { set.sequences = sequences }
      let evaluation = try Evaluation(
        model, set.episodes(using: &generator), threads: threads,
        optimal: { loss == .crossEntropy ? task.optimalBits($0) : nil })
      return (set.name, evaluation)
    }
  }

  // MARK: Encodable

  /// Names of fields that depend on what is measured.
  private struct Name: CodingKey {
    let stringValue: String
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
    var intValue: Int? { nil }
    init(_ name: String) { stringValue = name }
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: Name.self)
    try fields.encode(task, forKey: Name("task"))
    try fields.encode(loss, forKey: Name("loss"))
    try fields.encode(seed, forKey: Name("seed"))
    var list = fields.nestedUnkeyedContainer(forKey: Name("sets"))
    for set in sets {
      var fields = list.nestedContainer(keyedBy: Name.self)
      try fields.encode(set.name, forKey: Name("name"))
      try encode(set.evaluation.total, into: &fields)
      guard hasSizes else { continue }
      var sizes = fields.nestedUnkeyedContainer(forKey: Name("by_\(sizeName)"))
      for (size, tally) in set.evaluation.bySize.sorted(by: { $0.key < $1.key }) {
        var fields = sizes.nestedContainer(keyedBy: Name.self)
        try fields.encode(size, forKey: Name(sizeName))
        try encode(tally, into: &fields)
      }
    }
  }

  private func encode(
    _ tally: Evaluation.Tally, into fields: inout KeyedEncodingContainer<Name>
  ) throws {
    let unit = loss == .crossEntropy ? "bits" : "squared_error"
    try fields.encode(tally.sequences, forKey: Name("sequences"))
    // JSON has no infinity, which a model that breaks down reaches.
    try fields.encode(
      tally.lossPerSequence.isFinite ? tally.lossPerSequence : nil,
      forKey: Name("\(unit)_per_sequence"))
    if let optimal = tally.optimalPerSequence {
      try fields.encode(optimal, forKey: Name("optimal_\(unit)_per_sequence"))
    }
    try fields.encode(tally.wrong, forKey: Name("wrong_bits"))
    try fields.encode(tally.values, forKey: Name("bits"))
    try fields.encode(tally.perfect, forKey: Name("perfect_sequences"))
  }
}
