/// Dialects that have a name. A model file holds the explicit choices, never the name.
public enum Preset: String, CaseIterable, Sendable {
  /// The paper, its open choices filled with the common ones: softplus strengths, sigmoid gates
  /// and erase vectors, linear keys and adds, a softmax over shifts −1, 0, +1.
  case paper
  /// Content addressing alone, without strength, gate, shift or sharpening, and an additive write:
  /// w = softmax(K(k, M(i))), M(i) ← M(i) + w(i)a, r = Σ w(i)M(i).
  case simple
  /// loudinthecloud/pytorch-ntm since 2018.
  case pytorchNTM = "pytorch-ntm"
  /// loudinthecloud/pytorch-ntm in 2017: relu keys, strengths, sharpening, erase and add.
  case pytorchNTM2017 = "pytorch-ntm-2017"
  /// MarkPKCollier/NeuralTuringMachine (Collier and Beel 2018, arXiv 1807.08518).
  case tensorflowNTM = "tensorflow-ntm"
  /// tf.contrib.rnn.NTMCell, which came from it and computes the same.
  case tensorflowContrib = "tensorflow-contrib"
  /// fumin/ntm.
  case fumin

  public var dialect: Dialect {
    switch self {
    case .paper: .paper
    case .simple: .simple
    case .pytorchNTM: .pytorchNTM
    case .pytorchNTM2017: .pytorchNTM2017
    case .tensorflowNTM, .tensorflowContrib: .tensorflow
    case .fumin: .fumin
    }
  }
}

extension Dialect {
  fileprivate static let paper = Dialect(
    memoryOrder: .combined,
    addressing: Addressing(
      key: .identity, similarity: Cosine(guard: .productOffset, epsilon: 1e-8),
      strength: .softplus, gate: .sigmoid, shift: .taps([-1, 0, 1], activation: .softmax),
      sharpening: Sharpening(activation: .softplus)),
    write: Write(erase: .sigmoid, add: .identity),
    output: Output(source: .hiddenAndReads, activation: .sigmoid))

  fileprivate static let simple = Dialect(
    memoryOrder: .combined,
    addressing: Addressing(
      key: .identity, similarity: Cosine(guard: .productOffset, epsilon: 1e-8),
      strength: nil, gate: nil, shift: nil, sharpening: nil),
    write: Write(erase: nil, add: .identity),
    output: Output(source: .hiddenAndReads, activation: .sigmoid))

  // torch.nn.functional.cosine_similarity bounds each norm by 1e-8 since PyTorch 1.9; the 1e-16
  // are pytorch-ntm's own. Its convolution reads the taps as +1, 0, −1.
  fileprivate static let pytorchNTM = Dialect(
    memoryOrder: .sequential,
    addressing: Addressing(
      key: .identity, similarity: Cosine(offset: 1e-16, guard: .normFloor, epsilon: 1e-8),
      strength: .softplus, gate: .sigmoid, shift: .taps([1, 0, -1], activation: .softmax),
      sharpening: Sharpening(activation: .softplus, epsilon: 1e-16)),
    write: Write(erase: .sigmoid, add: .identity),
    output: Output(source: .hiddenAndReads, activation: .sigmoid))

  fileprivate static let pytorchNTM2017: Dialect = {
    var dialect = pytorchNTM
    dialect.addressing.key = .relu
    dialect.addressing.strength = .relu
    dialect.addressing.shift = .taps([1, 0, -1], activation: .softmaxOfRelu)
    dialect.addressing.sharpening?.activation = .relu
    dialect.write = Write(erase: .relu, add: .relu)
    return dialect
  }()

  fileprivate static let tensorflow = Dialect(
    memoryOrder: .parallel,
    addressing: Addressing(
      key: .tanh, similarity: Cosine(guard: .productOffset, epsilon: 1e-8),
      strength: .softplus, gate: .sigmoid, shift: .taps([0, 1, -1], activation: .softmax),
      sharpening: Sharpening(activation: .softplus)),
    write: Write(erase: .sigmoid, add: .tanh),
    parameterClip: 20,
    output: Output(source: .hiddenAndReads, activation: .sigmoid, clip: 20))

  fileprivate static let fumin = Dialect(
    memoryOrder: .combined,
    addressing: Addressing(
      key: .identity, similarity: Cosine(), strength: .exp, gate: .sigmoid,
      shift: .continuous(scale: -1), sharpening: Sharpening(activation: .softplus)),
    write: Write(erase: .sigmoid, add: .sigmoid),
    output: Output(source: .hidden, activation: .sigmoid))
}
