// Steps a model without a server, on request: reads lines of JSON, answers each with one.
//
//     ntm-steps MODEL.safetensors [VARIANT]
//
//     {"trace": [[input], ...]}   begins anew: [{"output": [...], "read": [...], "write": [...]}, ...]
//     {"run": seconds}            {"steps": n, "seconds": t}, of steps with random bits; with
//                                 "together": k, k states at a time
//
// It speaks as peer.py does.

import Foundation
import NTMModel

struct Request: Decodable {
  var trace: [[Float]]?
  var run: Double?
  var together: Int?
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

/// Steps of so many states of their own, which go through the weights together.
func run(_ model: Model, seconds: Double, together count: Int) throws -> Speed {
  let states = UnsafeMutableBufferPointer<State>.allocate(capacity: count)
  let workspaces = UnsafeMutableBufferPointer<Workspace>.allocate(capacity: count)
  let members = UnsafeMutableBufferPointer<StepMember>.allocate(capacity: count)
  let input = UnsafeMutableBufferPointer<Float>.allocate(capacity: model.configuration.inputSize)
  for index in input.indices { input[index] = Float(Bool.random() ? 1 : 0) }
  for index in 0..<count {
    (states.baseAddress! + index).initialize(to: try model.makeState())
    (workspaces.baseAddress! + index).initialize(to: try model.makeWorkspace())
    members.initializeElement(
      at: index,
      to: StepMember(
        UnsafeBufferPointer(input), state: states.baseAddress! + index,
        workspace: workspaces.baseAddress! + index))
  }
  var steps = 0
  let clock = ContinuousClock()
  let begin = clock.now
  while true {
    model.step(members)
    steps += count
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
    } else if let count = request.together {
      try encoder.encode(run(model, seconds: request.run ?? 1, together: count))
    } else {
      try encoder.encode(run(model, seconds: request.run ?? 1))
    }
  print(String(decoding: reply, as: UTF8.self))
  fflush(nil)
}
