import Foundation
import NTMModel
import Testing

@testable import NTMTraining

/// The loss of one value.
struct LossTests {
  @Test func goesWithTheOutput() {
    for activation in Activation.allCases {
      let output = Output(source: .hidden, activation: activation)
      #expect(Loss(output) == (activation == .sigmoid ? .crossEntropy : .squaredError))
    }
  }

  @Test(arguments: [-6, -0.5, 0, 1, 4] as [Float], [0, 0.25, 1] as [Float])
  func crossEntropyIsInBits(_ logit: Float, _ target: Float) {
    let (y, t) = (1 / (1 + exp(-Double(logit))), Double(target))
    let value = Loss.crossEntropy.value(logit: logit, output: Float(y), target: target)
    expectClose(value, -t * log2(y) - (1 - t) * log2(1 - y), within: 1e-9)
    #expect(Loss.crossEntropy.slope(output: Float(y), target: target) == Float(y) - target)
  }

  /// Where the sigmoid itself is 0 or 1 in float32, its loss is still right.
  @Test(arguments: [(logit: -200, target: 1), (logit: 200, target: 0)] as [(Float, Float)])
  func crossEntropyOfAWrongCertaintyIsFinite(_ logit: Float, _ target: Float) {
    let value = Loss.crossEntropy.value(logit: logit, output: 1 - target, target: target)
    expectClose(value, 200 / log(2), within: 1e-9)
  }

  @Test func squaredError() {
    #expect(Loss.squaredError.value(logit: 9, output: 1.5, target: -0.5) == 4)
    #expect(Loss.squaredError.slope(output: 1.5, target: -0.5) == 4)
  }
}
