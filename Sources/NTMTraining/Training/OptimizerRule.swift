/// How gradients become changes of the parameters.
public enum OptimizerRule: String, Codable, CaseIterable, Sendable {
  /// Graves 2013 (arXiv 1308.0850), equations 38 to 45, as the paper uses it: decay 0.95, momentum
  /// 0.9, 1e-4 under the root; every element of the gradient is clipped to ±10.
  case rmsProp = "rmsprop"
  /// Kingma and Ba 2015 (arXiv 1412.6980) with decays 0.9 and 0.999; the gradient's norm is clipped.
  case adam
}
