import ArgumentParser
import NTMModel

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print what a model file, or any safetensors file, holds.")

  @Argument(help: "The file.")
  var file: String

  func run() throws {
    let content: SafeTensorsFile
    do {
      content = try SafeTensorsFile(path: file)
    } catch {
      throw Failure("\(file): \(error)")
    }
    var lines = OutputLines()
    if content.header.metadata["format"] == ModelFile.format {
      try describe(load(), &lines)
    } else {
      try lines.add("\(file): not a model file of ntm")
      if let format = WeightImport.format(of: content) {
        try lines.add(
          "The tensors have the names of \(format.rawValue): `ntm import` makes a model of them.")
      }
      for (key, value) in content.header.metadata.sorted(by: { $0.key < $1.key }) {
        try lines.add(row(key, value))
      }
    }
    try lines.add("\nTensors")
    for tensor in content.header.tensors {
      let shape = tensor.shape.map(String.init).joined(separator: " × ")
      try lines.add("  \(tensor.name)  \(tensor.type.rawValue) \(shape.isEmpty ? "scalar" : shape)")
    }
    try lines.add("\(content.byteCount) bytes")
    try lines.flush()
  }

  private func load() throws -> ModelFile {
    do throws(ModelFileError) {
      return try ModelFile.load(file)
    } catch {
      throw Failure("\(file): \(error.reason)")
    }
  }

  private func describe(_ file: ModelFile, _ lines: inout OutputLines) throws {
    let model = file.model
    let configuration = model.configuration
    let controller = configuration.controller
    let kind =
      switch controller.kind {
      case .lstm: "LSTM"
      case .feedForward(let activation): "feed-forward (\(activation.rawValue))"
      }
    let rows: [(String, String?)] = [
      ("task", file.description.task), ("source", file.description.source),
      ("training", file.description.training), ("producer", file.description.producer),
      ("digest", "sha256:\(model.digest())"),
      ("input", "\(configuration.inputSize) values"),
      ("output", "\(configuration.outputSize) values"),
      ("memory", "\(configuration.memory.rows) × \(configuration.memory.columns)"),
      (
        "controller",
        "\(kind), \(controller.layers == 1 ? "1 layer" : "\(controller.layers) layers") of "
          + "\(controller.units) units"
      ),
      ("heads", configuration.heads.map(\.rawValue).joined(separator: ", ")),
      ("parameters", "\(model.parameterCount)"),
      ("session", "\(model.stateLayout.byteCount) bytes"),
    ]
    try lines.add(self.file)
    for (name, value) in rows {
      if let value { try lines.add(row(name, value)) }
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try lines.add("\nConfiguration")
    try lines.add(String(decoding: try encoder.encode(configuration), as: UTF8.self))
  }

  private func row(_ name: String, _ value: String) -> String {
    "  " + name + String(repeating: " ", count: max(1, 12 - name.count)) + value
  }
}
