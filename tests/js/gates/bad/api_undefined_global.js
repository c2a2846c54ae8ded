broadcast(1);
