/// One sequence of a task: what goes in, what should come out, and where that counts.
public struct Episode: Equatable, Sendable {
  /// T × inputs
  public var inputs: [[Float]] = []
  /// T × outputs
  public var targets: [[Float]] = []
  /// T; how much the output of a step counts, 0 where it may be anything.
  public var mask: [Float] = []
  /// What results are told apart by, such as the length that is copied (`TrainingTask.sizeName`).
  public var size: Int

  /// T.
  public var steps: Int { inputs.count }

  public init(size: Int) { self.size = size }

  /// A step whose output does not count.
  mutating func append(input: [Float], outputs: Int) {
    inputs.append(input)
    targets.append([Float](repeating: 0, count: outputs))
    mask.append(0)
  }

  /// A step that is given zeros and must say `target`.
  mutating func append(target: [Float], inputs count: Int) {
    inputs.append([Float](repeating: 0, count: count))
    targets.append(target)
    mask.append(1)
  }
}
