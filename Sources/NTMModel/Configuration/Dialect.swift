/// The choices in which implementations of the paper differ. A model run under the wrong ones is
/// silently wrong, so each is explicit.
public struct Dialect: Hashable, Sendable {
  public var memoryOrder: MemoryOrder
  public var addressing: Addressing
  public var write: Write
  /// Head parameters are clipped to ±this before their activations.
  public var parameterClip: Float?
  public var output: Output

  public init(
    memoryOrder: MemoryOrder, addressing: Addressing, write: Write, parameterClip: Float? = nil,
    output: Output
  ) {
    self.memoryOrder = memoryOrder
    self.addressing = addressing
    self.write = write
    self.parameterClip = parameterClip
    self.output = output
  }
}

/// Which memory each head sees.
public enum MemoryOrder: String, Hashable, Sendable, Codable, CaseIterable {
  /// One head after the other on live memory: a head sees what earlier heads wrote in this step.
  case sequential
  /// All heads address and read M_{t−1}; then the write heads write in turn.
  case parallel
  /// All heads address and read M_{t−1}; then all erase together and all add together:
  /// M(i) ← M(i) Π_h (1 − w_h(i) e_h) + Σ_h w_h(i) a_h.
  case combined
}

/// How a head turns its parameters into a weighting (paper, section 3.3). Each stage after content
/// addressing may be absent.
public struct Addressing: Hashable, Sendable {
  /// Activation of the key k_t.
  public var key: Activation
  public var similarity: Cosine
  /// Activation of the key strength β_t (equation 5); absent: β = 1.
  public var strength: Activation?
  /// Activation of the interpolation gate g_t (equation 7); absent: w^g = w^c.
  public var gate: Activation?
  /// The convolutional shift (equation 8); absent: w̃ = w^g.
  public var shift: Shift?
  /// The sharpening (equation 9); absent: w = w̃.
  public var sharpening: Sharpening?

  public init(
    key: Activation, similarity: Cosine, strength: Activation?, gate: Activation?, shift: Shift?,
    sharpening: Sharpening?
  ) {
    self.key = key
    self.similarity = similarity
    self.strength = strength
    self.gate = gate
    self.shift = shift
    self.sharpening = sharpening
  }
}

/// Cosine similarity K(u, v) = u·v / (|u||v|) (equation 6), and what keeps it finite where a
/// vector is zero.
public struct Cosine: Hashable, Sendable {
  public enum Guard: String, Hashable, Sendable, Codable, CaseIterable {
    case none
    /// max(|u|, ε) max(|v|, ε)
    case normFloor = "norm_floor"
    /// max(|u||v|, ε)
    case productFloor = "product_floor"
    /// |u||v| + ε
    case productOffset = "product_offset"
  }

  /// Added to every element of both vectors.
  public var offset: Float
  public var `guard`: Guard
  /// ε of the guard.
  public var epsilon: Float

  public init(offset: Float = 0, guard: Guard = .none, epsilon: Float = 0) {
    self.offset = offset
    self.guard = `guard`
    self.epsilon = epsilon
  }
}

/// Convolutional shift w̃(i) = Σ_j w^g(j) s(i − j), indices modulo N (equation 8).
public enum Shift: Hashable, Sendable {
  /// One weight for each displacement in `taps`, in the order of the parameters; +1 moves the
  /// focus from row i to row i + 1.
  case taps([Int], activation: TapActivation)
  /// One scalar: the focus moves by scale · (2σ(s) − 1) rows, linearly between the two nearest.
  case continuous(scale: Float)

  /// How raw shift parameters become a distribution.
  public enum TapActivation: String, Hashable, Sendable, Codable, CaseIterable {
    case softmax
    /// softmax of relu
    case softmaxOfRelu = "softmax_of_relu"
  }

  /// Parameters that the shift takes of a head.
  public var parameterCount: Int {
    switch self {
    case .taps(let taps, _): taps.count
    case .continuous: 1
    }
  }
}

/// Sharpening w(i) = w̃(i)^γ / (Σ_j w̃(j)^γ + ε) with γ = 1 + activation(parameter) (equation 9).
public struct Sharpening: Hashable, Sendable {
  public var activation: Activation
  public var epsilon: Float

  public init(activation: Activation, epsilon: Float = 0) {
    self.activation = activation
    self.epsilon = epsilon
  }
}

/// The write M(i) ← M(i)(1 − w(i)e) + w(i)a (equations 3 and 4).
public struct Write: Hashable, Sendable {
  /// Activation of the erase vector e_t; absent: nothing is erased.
  public var erase: Activation?
  /// Activation of the add vector a_t.
  public var add: Activation

  public init(erase: Activation?, add: Activation) {
    self.erase = erase
    self.add = add
  }
}

/// The output layer, one linear map of its source.
public struct Output: Hashable, Sendable {
  public enum Source: String, Hashable, Sendable, Codable, CaseIterable {
    /// [h_t, r_t…]
    case hiddenAndReads = "hidden_and_reads"
    /// h_t alone: what is read shows one step later.
    case hidden
  }

  public var source: Source
  public var activation: Activation
  /// The logits are clipped to ±this before the activation.
  public var clip: Float?

  public init(source: Source, activation: Activation, clip: Float? = nil) {
    self.source = source
    self.activation = activation
    self.clip = clip
  }
}
