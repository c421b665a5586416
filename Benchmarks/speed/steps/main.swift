// Steps a model without a server, on request: reads lines of JSON, answers each with one.
//
//     ntm-steps MODEL.safetensors [VARIANT]
//
//     {"trace": [[input], ...]}   begins anew: [{"output": [...], "read": [...], "write": [...]}, ...]
//     {"run": seconds}            {"steps": n, "seconds": t}, of steps with random bits
//
// It speaks as peer.py does.

import Foundation
import NTMModel

struct Request: Decodable {
  var trace: [[Float]]?
  var run: Double?
}

struct Result: Encodable {
  let output: [Float]
  let read: [Float]
  let write: [Float]
}

struct Speed: Encodable {
  let steps: Int
  let seconds: Double
}

func trace(_ model: Model, _ inputs: [[Float]]) throws -> [Result] {
  var state = try model.makeState()
  var workspace = try model.makeWorkspace()
  return try inputs.map { input in
    try model.step(input.span, state: &state, workspace: &workspace)
    return Result(
      output: Array(workspace.output), read: Array(state.weighting(0)),
      write: Array(state.weighting(1)))
  }
}

func run(_ model: Model, seconds: Double) throws -> Speed {
  let inputs = (0..<8).map { _ in
    (0..<model.configuration.inputSize).map { _ in Float(Bool.random() ? 1 : 0) }
  }
  var state = try model.makeState()
  var workspace = try model.makeWorkspace()
  var steps = 0
  let clock = ContinuousClock()
  let begin = clock.now
  while true {
    // Looking at the clock costs as much as a part of a step.
    for input in inputs { try model.step(input.span, state: &state, workspace: &workspace) }
    steps += inputs.count
    let taken = (clock.now - begin) / .seconds(1)
    if taken > seconds { return Speed(steps: steps, seconds: taken) }
  }
}

guard CommandLine.arguments.count == 2 else {
  FileHandle.standardError.write(Data("usage: ntm-steps MODEL.safetensors\n".utf8))
  exit(2)
}
let model = try ModelFile.load(CommandLine.arguments[1]).model
while let line = readLine() {
  let request = try JSONDecoder().decode(Request.self, from: Data(line.utf8))
  let encoder = JSONEncoder()
  let reply =
    if let inputs = request.trace {
      try encoder.encode(trace(model, inputs))
    } else {
      try encoder.encode(run(model, seconds: request.run ?? 1))
    }
  print(String(decoding: reply, as: UTF8.self))
  fflush(nil)
}
