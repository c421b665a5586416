import Foundation
import NTMModel

@testable import NTMServer

extension ModelPool {
  /// The shipped copy model alone: it is the default.
  static let copy = try! ModelPool([.copy])
  /// Several models, none the default.
  static let several = try! ModelPool([.copy, .repeatCopy, .mixed, .contentOnly, .overflowing])
}

extension ServedModel {
  static let modelFolder = URL(filePath: #filePath)
    .deletingLastPathComponent().appending(path: "../../../Models").standardized.path

  /// 9 values in (8 bits and a delimiter), 8 out.
  static let copy = shipped("copy")
  /// 10 values in, 9 out.
  static let repeatCopy = shipped("repeat-copy")

  private static func shipped(_ name: String) -> ServedModel {
    ServedModel(name: name, file: try! ModelFile.load("\(modelFolder)/\(name).safetensors"))
  }

  /// A head of each kind, every stage of addressing; 3 values in, 2 out.
  static let mixed = made(
    "mixed",
    Configuration(
      inputSize: 3, outputSize: 2, memory: MemoryShape(rows: 5, columns: 4),
      controller: Controller(kind: .lstm, layers: 2, units: 6), heads: [.readWrite, .read, .write],
      dialect: Preset.paper.dialect))

  /// Another one of the same shape for each number: what a file is replaced with.
  static func mixedVersion(_ number: UInt64, task: String? = nil) -> ServedModel {
    let made = made("mixed", mixed.model.configuration, seed: 100 + number)
    return ServedModel(
      name: "mixed",
      file: ModelFile(model: made.model, description: ModelFile.Description(task: task)))
  }

  /// Content addressing without any other stage, and a write that erases nothing; 2 values in, 1 out.
  static let contentOnly = made(
    "content only",
    Configuration(
      inputSize: 2, outputSize: 1, memory: MemoryShape(rows: 4, columns: 3),
      controller: Controller(kind: .feedForward(activation: .tanh), units: 5),
      heads: [.read, .write], dialect: Preset.simple.dialect))

  /// One value in; where it is 3e38, the heads' parameters would be infinite.
  static let overflowing = made(
    "overflowing",
    Configuration(
      inputSize: 1, outputSize: 1, memory: MemoryShape(rows: 2, columns: 2),
      controller: Controller(kind: .feedForward(activation: .identity), units: 2),
      heads: [.read, .write], dialect: Preset.simple.dialect)
  ) { name, index in
    // Of x and the two values of r the controller takes x alone, so that nothing grows by itself.
    switch name {
    case "controller.0.weight": index % 3 == 0 ? 1 : 0
    case "heads.weight", "output.weight": 1
    default: 0
    }
  }

  /// A model whose numbers are random, or those that `value` gives.
  static func made(
    _ name: String, _ configuration: Configuration, seed: UInt64 = 7,
    value: ((String, Int) -> Float)? = nil
  ) -> ServedModel {
    var generator = SplitMix(seed: seed)
    let model = try! Model(configuration) { name, _, range, destination in
      for index in range {
        destination[index - range.lowerBound] =
          value?(name, index)
          // Weightings are not negative.
          ?? Float.random(in: name == "start.weightings" ? 0...1 : -1...1, using: &generator)
      }
    }
    return ServedModel(
      name: name, file: ModelFile(model: model, description: ModelFile.Description()))
  }
}

/// Random numbers that are the same in every run (Steele, Lea and Flood 2014).
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}

extension ServedModel {
  /// Inputs of this model, of zeros and ones, the same in every run.
  func inputs(_ count: Int, seed: UInt64 = 1) -> [[Float]] {
    var generator = SplitMix(seed: seed)
    return (0..<count).map { _ in
      (0..<model.configuration.inputSize).map { _ in Bool.random(using: &generator) ? 1 : 0 }
    }
  }
}
