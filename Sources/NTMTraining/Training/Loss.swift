public import NTMModel

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// What an output costs against its target.
public enum Loss: String, Codable, Sendable {
  /// Of a sigmoid output y against a target t in 0...1: −t log₂ y − (1 − t) log₂ (1 − y), in bits.
  case crossEntropy = "cross_entropy"
  /// Of any other output: (y − t)².
  case squaredError = "squared_error"

  /// The loss that goes with an output layer.
  public init(_ output: Output) {
    self = output.activation == .sigmoid ? .crossEntropy : .squaredError
  }

  /// "bits", or "squared error".
  public var unit: String { self == .crossEntropy ? "bits" : "squared error" }

  /// - Parameter logit: after the output's clip
  func value(logit: Float, output: Float, target: Float) -> Double {
    switch self {
    case .crossEntropy:
      let (z, t) = (Double(logit), Double(target))
      return (max(z, 0) - z * t + log1p(exp(-abs(z)))) / M_LN2
    case .squaredError:
      let difference = Double(output - target)
      return difference * difference
    }
  }

  /// The derivative that training follows: of the cross-entropy in nats with respect to the logit;
  /// of the squared error with respect to the output.
  func slope(output: Float, target: Float) -> Float {
    switch self {
    case .crossEntropy: output - target
    case .squaredError: 2 * (output - target)
    }
  }
}
